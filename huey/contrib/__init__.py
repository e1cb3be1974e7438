"""Things beside the queue that some applications like to have."""
