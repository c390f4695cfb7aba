"""Keep templates, and read them. (A job that is started from one is taken in as any other: `engine.submit`.)"""

from __future__ import annotations

from jobrunner.domain.templates import Template, TemplateDefinition, check_definition, check_template_name
from jobrunner.engine.farm import Farm
from jobrunner.errors import NotFound


def put_template(farm: Farm, name: str, definition: TemplateDefinition) -> Template:
    """Store a template, or replace the one of its name. Raises InvalidRequest."""
    check_definition(definition)
    return farm.store.templates.put(check_template_name(name), definition, farm.clock.now())


def template(farm: Farm, name: str) -> Template:
    """The template of this name. Raises InvalidRequest, NotFound."""
    found = farm.store.templates.get(check_template_name(name))
    if found is None:
        raise NotFound("name", name)
    return found


def templates(farm: Farm, page: int) -> tuple[list[Template], bool]:
    """A page of all templates, by name, and whether there is a next one."""
    per_page = farm.settings.page_size
    found = farm.store.templates.page(page, per_page)
    return found[:per_page], len(found) > per_page


def delete_template(farm: Farm, name: str) -> None:
    """Delete it; jobs that were started from it stay. Raises InvalidRequest, NotFound."""
    if not farm.store.templates.delete(check_template_name(name)):
        raise NotFound("name", name)
