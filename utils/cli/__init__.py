"""What all commands share: options from a dataclass, ``--config FILE.yaml``, and exit statuses.

A command describes its options as a dataclass of ``option`` fields, reads them with
``parse``, and is started by ``run``::

    @dataclass(frozen=True)
    class Config:
        weights: Path = option(help="checkpoint to use", metavar="FILE")
        conf: float = option(0.25, help="lowest score that is kept", low=0, high=1)

    def main(argv: list[str]) -> int:
        config = parse(Config, argv, "Find objects in pictures.")
        ...

    if __name__ == "__main__":
        sys.exit(run(main))

Nothing heavy is imported here or at the top of a script, so that ``--help`` and usage errors
answer at once; TensorFlow is imported inside ``main``, after the options are known to be good.
"""

from utils.signals import end_while_importing

end_while_importing()  # before anything else is imported

from utils.cli.fields import given_options, option, option_name, to_mapping  # noqa: E402
from utils.cli.reading import from_keywords, parse  # noqa: E402
from utils.cli.status import (  # noqa: E402
    INTERRUPTED,
    MISSED,
    OK,
    USAGE_ERROR,
    leave,
    quiet_tensorflow,
    run,
)

__all__ = [
    "INTERRUPTED",
    "MISSED",
    "OK",
    "USAGE_ERROR",
    "from_keywords",
    "given_options",
    "leave",
    "option",
    "option_name",
    "parse",
    "quiet_tensorflow",
    "run",
    "to_mapping",
]
