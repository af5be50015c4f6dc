"""Whether a compiled loop still does what the methods of a part say, where a subclass has changed some of them."""


def said_anew(part: object, tier: type, loop: str, *methods: str) -> tuple[str, ...]:
    """The methods that a subclass defines anew without the one that must agree with them; empty if there are none.

    Args:
        part: an instance of the subclass.
        tier: the class that declares ``loop`` for all parts of its kind, and gives none itself.
        loop: the method that hands a compiled loop its numbers, and has to be defined anew with the others.
        methods: those that the loop stands for.
    """
    kind = type(part)
    owner = next(each for each in kind.__mro__ if loop in vars(each))
    if owner is tier:
        return ()
    return tuple(name for name in methods if getattr(kind, name, None) is not getattr(owner, name, None))
