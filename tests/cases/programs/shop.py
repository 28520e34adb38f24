"""A program that branches on what nobody knows, imports what is not there, and passes functions around."""

import sys
from functools import partial

from elsewhere import Ledger, price


class Base:
    def pay(self, amount):
        return self.record(amount)

    def record(self, amount):
        return amount


class Shop(Base):
    def __init__(self, ledger):
        self.ledger = ledger
        self.steps = {"cash": self.cash, "card": self.card}

    def record(self, amount):
        self.ledger.write(amount)
        return super().record(amount)

    def cash(self):
        return 1

    def card(self):
        return 2

    def run(self, kind):
        return self.steps[kind]()


def chosen():
    pass


def other():
    pass


def guarded():
    raise RuntimeError("closed")


def never():
    pass


def logged(function):
    def wrapper(*args):
        return function(*args)

    return wrapper


@logged
def twice(value):
    return [add(value) for _ in range(2)]


def add(a, b=0):
    return a + b


shop = Shop(Ledger())
shop.pay(price("tea"))
shop.run(sys.argv[1])
(chosen if price("milk") > 3 else other)()
guarded()
twice(3)
partial(add, 1)(2)
for item in sorted([3, 1], key=lambda value: add(value)):
    print(item)

# <module> -> Shop.__init__
# <module> -> Base.pay
# <module> -> Shop.run
# <module> -> chosen
# <module> -> other
# <module> -> guarded
# <module> -> logged
# <module> -> logged.<locals>.wrapper
# <module> -> add
# <module> -> <lambda>
# <lambda> -> add
# Base.pay -> Shop.record
# Shop.record -> Base.record
# Shop.run -> Shop.cash
# Shop.run -> Shop.card
# logged.<locals>.wrapper -> twice
# twice -> add
# <module> -> elsewhere.Ledger
# <module> -> elsewhere.price
# Shop.record -> elsewhere.Ledger.write
