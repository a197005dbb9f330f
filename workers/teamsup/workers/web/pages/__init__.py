"""The pages of the team. Each module has its views, which are pure, and its pages."""

from ..page import Form, Page
from .team_page import TEAM_PAGE

PAGES: tuple[Page, ...] = (TEAM_PAGE,)
FORMS: tuple[Form, ...] = ()
