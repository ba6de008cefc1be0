"""The INT8 formats of qstore-client that the engines are tried with."""

ALL = ("compressed-tensors", "pack-quantized")


def add_argument(parser):
    parser.add_argument("--format", action="append", dest="formats", metavar="F",
                        help=f"may be repeated; default: {', '.join(ALL)}")


def chosen(arguments):
    return arguments.formats or list(ALL)
