"""The OpenAPI 3.1 document of all routes, made from what stands at each route, and a page to read it."""

from jobrunner.api.openapi.routes import blueprint

__all__ = ["blueprint"]
