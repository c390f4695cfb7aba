"""The documents that the native API answers, key by key: for its OpenAPI document, which the tests hold answers to.

translate*.py make them. fastlane's keys are as its document (specs) has them. Instants are ISO 8601 in UTC, without a
zone; those of tasks are UNIX seconds.
"""
