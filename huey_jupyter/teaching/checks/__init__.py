"""The exercises of each notebook, one module each; `exercises.NOTEBOOKS` names them."""
