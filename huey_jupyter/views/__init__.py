"""How cards, groups and the queue look: HTML and plain text. The widget is in `views.widget`."""

from huey_jupyter.views.card import card_html, status_html
from huey_jupyter.views.dashboard import dashboard_html, dashboard_text
from huey_jupyter.views.group import group_html
from huey_jupyter.views.tasks import log_text, tasks_html, tasks_text
from huey_jupyter.views.text import card_notice, card_text, group_notice, group_text, status_text

__all__ = [
    "card_html",
    "card_notice",
    "card_text",
    "dashboard_html",
    "dashboard_text",
    "group_html",
    "group_notice",
    "group_text",
    "log_text",
    "status_html",
    "status_text",
    "tasks_html",
    "tasks_text",
]
