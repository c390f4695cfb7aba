"""Templates in MongoDB."""

from __future__ import annotations

from datetime import datetime

from mongoengine import NotUniqueError

from jobrunner.domain.templates import Template, TemplateDefinition
from jobrunner.store.documents.jobs import TemplateDocument
from jobrunner.store.errors import translating_errors


class MongoTemplates:
    """The TemplateStore port."""

    def put(self, name: str, definition: TemplateDefinition, now: datetime) -> Template:
        """Store a template, or replace the one of its name: then its revision goes up by one."""
        text = definition.model_dump_json(by_alias=True, exclude_unset=True)
        with translating_errors():
            try:
                TemplateDocument(id=name, definition=text, created_at=now, modified_at=now).save(force_insert=True)
            except NotUniqueError:
                TemplateDocument.objects(id=name).update_one(
                    set__definition=text, set__modified_at=now, inc__revision=1
                )
        return self.get(name) or Template(name, definition, now, now)

    def get(self, name: str) -> Template | None:
        """The template of this name."""
        with translating_errors():
            document = TemplateDocument.objects(id=name).first()
        return _template(document) if document else None

    def page(self, number: int, per_page: int) -> list[Template]:
        """A page of all templates, by name; one more than `per_page` where there is a next page."""
        query = TemplateDocument.objects.order_by("id").skip((number - 1) * per_page).limit(per_page + 1)
        with translating_errors():
            return list(map(_template, query))

    def delete(self, name: str) -> bool:
        """Delete a template; whether there was one."""
        with translating_errors():
            return bool(TemplateDocument.objects(id=name).delete())


def _template(document: TemplateDocument) -> Template:
    return Template(
        name=document.id,
        definition=TemplateDefinition.model_validate_json(document.definition),
        created_at=document.created_at,
        modified_at=document.modified_at,
        revision=document.revision,
    )
