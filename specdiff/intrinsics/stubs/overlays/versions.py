"""Release numbers that compare as ``packaging.version.Version`` does for plain releases."""


class Version:
    def __init__(self, text):
        self.text = str(text)
        self.release = tuple(int(part) for part in self.text.split("+")[0].split(".") if part.isdigit())
        self.base_version = self.text
        self.major = self.release[0] if self.release else 0
        self.minor = self.release[1] if len(self.release) > 1 else 0
        self.micro = self.release[2] if len(self.release) > 2 else 0

    def __str__(self):
        return self.text

    def __lt__(self, other):
        return self.release < other.release

    def __le__(self, other):
        return self.release <= other.release

    def __gt__(self, other):
        return self.release > other.release

    def __ge__(self, other):
        return self.release >= other.release

    def __eq__(self, other):
        return self.release == other.release
