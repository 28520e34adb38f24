"""Errors of strict dataclasses."""


class StrictDataclassError(Exception):
    pass


class StrictDataclassDefinitionError(StrictDataclassError):
    pass


class StrictDataclassClassValidationError(StrictDataclassError):
    def __init__(self, validator, cause):
        self.args = (f"Class validation error for validator '{validator}':\n    {cause.__class__.__name__}: {cause}",)


class StrictDataclassFieldValidationError(StrictDataclassError):
    def __init__(self, field, cause):
        self.args = (f"Validation error for field '{field}':\n    {cause.__class__.__name__}: {cause}",)


class EntryNotFoundError(Exception):
    pass


class HfHubHTTPError(Exception):
    pass
