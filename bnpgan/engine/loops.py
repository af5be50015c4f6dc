"""When a compiled loop stands for the methods of a part, and when it no longer does."""


def said_anew(part: object, tier: type, loop: str, *methods: str) -> tuple[str, ...]:
    """Which of the methods that a loop stands for are said anew by a subclass of the class that has the loop.

    Args:
        part: the part.
        tier: the class that declares the loop for all of its kind and has none itself.
        loop: the method that gives the loop what it takes.
        methods: those that it stands for.
    """
    kind = type(part)
    owner = next(each for each in kind.__mro__ if loop in vars(each))
    if owner is tier:
        return ()
    return tuple(name for name in methods if getattr(kind, name, None) is not getattr(owner, name, None))
