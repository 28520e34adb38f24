"""Downloads, which are never made."""


def get_dir():
    return ""


def set_dir(d):
    return None
