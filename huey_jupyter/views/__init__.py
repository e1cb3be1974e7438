"""How cards, groups and the queue look: HTML and plain text. The widget is in `views.widget`."""

from huey_jupyter.views.card import card_html, status_html
from huey_jupyter.views.group import group_html
from huey_jupyter.views.text import card_text, group_text, status_text

__all__ = [
    "card_html",
    "card_text",
    "group_html",
    "group_text",
    "status_html",
    "status_text",
]
