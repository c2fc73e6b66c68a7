"""The command ``skknn``: a thin layer over ``skknn.folders``.

Nothing but argparse is loaded before a command runs. Results go to the output stream,
progress, warnings and errors to the error stream. Exit status: 0 all went well, 1 an
error, 2 wrong usage, 130 interrupted.
"""

import argparse
import contextlib
import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_OK, _ERROR, _INTERRUPTED = 0, 1, 130

_ABOUT = """\
From a folder of photos to an answer.

One sub-folder a class: PHOTOS/cat/1.jpg, PHOTOS/dog/7.png. Loose photos and those in
folders called "unlabelled", "unknown" or "_..." are predicted."""

_EXAMPLES = """\
examples:
  skknn classify photos --out results
  skknn classify photos --out results --new camera_trap_2026 --fungi
  skknn predict results more_photos --out more.csv
  skknn embed photos --out features.npz
  skknn audit photos --out audit

exit status: 0 all went well, 1 an error, 2 wrong usage, 130 interrupted.
`skknn COMMAND --help` tells more."""

_CLASSIFY = """\
Learns from class folders, says by cross-validation how good it is, and predicts all
photos without a label. RESULTS then holds

  report.html         to look at
  predictions.csv     label, probability and nearest training photos of each photo
  uncertain.csv       those of them to be checked by hand
  suspect_labels.csv  training photos whose label looks wrong; also duplicates.csv,
                      outliers.csv, class_overlap.csv
  skipped.csv         what was left out, and why
  training.csv        what cross-validation says of each training photo, and how
                      probable its label is to the others; per_class.csv
  model.joblib        the model, for Python and `skknn predict`; answer.joblib with it
  settings.json       what was asked for and chosen
  cache               features

A run that was killed goes on where it was when the same command is given again. A
second run with nothing changed reads what is there."""

_CLASSIFY_EXAMPLES = """\
examples:
  skknn classify photos --out results
  skknn classify photos --out results --new camera_trap_2026
  skknn classify photos --out results --fungi          gradient features: much slower
  skknn classify photos --out results --groups subfolders     photos/cat/burst1/1.jpg
  skknn classify photos --out results --unlabelled todo --unlabelled "unsure*"
"""

_PREDICT = """\
Predicts photos with a model that `skknn classify` wrote. MODEL is the folder of
results, or the model.joblib in it. What was skipped, if anything, is in
FILE_skipped.csv beside FILE.csv. Loading a model can run any code: use only those you
trust."""

_EMBED = """\
Writes the features of all photos below a folder, one row a photo. FILE.npz holds the
arrays files, labels (names of class folders, "" if there is none), features and names;
FILE.parquet (needs pyarrow) a table with the columns file, label and one a feature."""

_AUDIT = """\
Looks for wrong labels, near-duplicates, outliers and classes that overlap. OUT then
holds suspect_labels.csv, duplicates.csv, outliers.csv, class_overlap.csv, labels.csv
(all labels, the least probable first) and skipped.csv."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status. Wrong usage raises ``SystemExit(2)``, as argparse does.
    """
    _occupy_streams()
    args = make_parser().parse_args(argv)
    # Without an output stream, what was asked for is done all the same.
    out = sys.stdout if sys.stdout is not None else io.StringIO()
    try:
        # What libraries print is progress, too.
        with contextlib.redirect_stdout(sys.stderr), _short_warnings():
            args.run(args, out)
        out.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        with open(os.devnull, "wb") as nowhere, contextlib.suppress(OSError):
            os.dup2(nowhere.fileno(), out.fileno())  # nor can Python write at exit
    except KeyboardInterrupt:
        print("skknn: interrupted; the same command goes on.", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        else:
            print(f"skknn: error: {_in_words(error)}", file=sys.stderr)
        return _ERROR
    return _OK


def _occupy_streams() -> None:
    """Open what a shell closed (``>&-``): else the next file that is opened would be
    where libraries write their messages."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
        The function to run is its argument ``run``.
    """
    from . import __version__

    parser = argparse.ArgumentParser(
        prog="skknn",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skknn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, short: str, text: str, run: Any, examples: str = "") -> Any:
        command = commands.add_parser(
            name,
            help=short,
            description=text,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    classify = add(
        "classify",
        "learn from class folders and predict the other photos",
        _CLASSIFY,
        _run_classify,
        _CLASSIFY_EXAMPLES,
    )
    _add_photos(classify, "RESULTS", "folder for the results")
    classify.add_argument(
        "--new", metavar="FOLDER", type=_path, help="more photos to predict"
    )
    _add_groups(classify)
    _add_unlabelled(classify)
    _add_features(classify)
    _add_common(classify)

    predict = add("predict", "predict photos with a model", _PREDICT, _run_predict)
    predict.add_argument("model", metavar="MODEL", type=_path, help="folder of results")
    predict.add_argument(
        "photos", metavar="PHOTOS", type=_path, help="folder of photos, or a file"
    )
    predict.add_argument(
        "--out",
        metavar="FILE.csv",
        type=_path,
        required=True,
        help="file of the predictions",
    )
    _add_common(predict)

    embed = add("embed", "write features of photos", _EMBED, _run_embed)
    _add_photos(embed, "FILE", "FILE.npz or FILE.parquet")
    _add_features(embed)
    _add_common(embed)

    audit = add("audit", "look for wrong labels and duplicates", _AUDIT, _run_audit)
    _add_photos(audit, "OUT", "folder for the tables")
    _add_groups(audit)
    _add_unlabelled(audit)
    _add_features(audit)
    _add_common(audit)
    return parser


def _path(text: str) -> str:
    """A path; shells leave "--out=~/results" as it is."""
    if not text:  # such as a variable of the shell that is not set
        raise argparse.ArgumentTypeError("the path is empty")
    return os.path.expanduser(text)


def _add_photos(command: argparse.ArgumentParser, metavar: str, help: str) -> None:
    command.add_argument(
        "photos", metavar="PHOTOS", type=_path, help="folder of class folders"
    )
    command.add_argument("--out", metavar=metavar, type=_path, required=True, help=help)


def _add_groups(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--groups",
        choices=["subfolders"],
        help="photos of one folder inside a class folder, such as a burst, belong "
        "together",
    )


def _add_unlabelled(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--unlabelled",
        metavar="NAME",
        action="append",
        help="folders of photos to predict, instead of unlabelled, unlabeled, unknown "
        "and _*; may be given again",
    )


def _add_features(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--fungi",
        action="store_true",
        help="join gradient features of three objectives: often, not always, more "
        "accurate; 62 passes through the network a photo, some 2 to 3 s on a laptop's "
        "CPU",
    )
    command.add_argument(
        "--backbone",
        metavar="NAME",
        default="tf_efficientnet_lite0",
        help="timm model (default: %(default)s)",
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        type=_path,
        default="auto",
        help="weights of the backbone; 'auto' (default) takes a package or a download, "
        "'random' is for tests",
    )
    command.add_argument("--device", help="such as cuda or cpu (default: the best)")
    command.add_argument(
        "--seed", type=int, default=0, help="of all that is drawn (default: 0)"
    )
    command.add_argument(
        "--jobs", type=int, metavar="N", help="threads and processes (-1: all)"
    )


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quiet", action="store_true", help="no progress")
    command.add_argument(
        "--debug", action="store_true", help="show where an error comes from"
    )


def _run_classify(args: argparse.Namespace, out: TextIO) -> None:
    from .folders import classify_folder

    answer = classify_folder(
        args.photos,
        new=args.new,
        output=args.out,
        groups=args.groups,
        **_unlabelled(args),
        **_features(args),
    )
    print(answer, file=out)


def _run_predict(args: argparse.Namespace, out: TextIO) -> None:
    from .folders import FolderAnswer
    from .folders._predict import skipped_file
    from .folders._summary import counted, uncertain_below

    answer = FolderAnswer.load(args.model)
    frame, skipped = answer.predict(
        args.photos, output=args.out, verbose=0 if args.quiet else 1
    )
    uncertain, unlike = (int(frame[name].sum()) for name in ("uncertain", "unlike"))
    below = uncertain_below(answer.settings["uncertain_below"])
    where = f" ({skipped_file(args.out).name})" if len(skipped) else ""
    print(
        f"{counted(len(frame), 'photo')} predicted, {uncertain} {below}, {unlike} "
        f"unlike anything labelled; {counted(len(skipped), 'file')} skipped{where}.",
        file=out,
    )
    _tell_skipped(skipped.itertuples(index=False))


def _run_embed(args: argparse.Namespace, out: TextIO) -> None:
    from .folders import embed_folder

    found = embed_folder(args.photos, args.out, **_features(args))
    n_photos, n_features = found.features.shape
    print(f"{n_photos} photos, {n_features} features a photo.", file=out)
    _tell_skipped(found.skipped)


def _run_audit(args: argparse.Namespace, out: TextIO) -> None:
    from .folders import audit_folder
    from .folders._summary import counted

    tables = audit_folder(
        args.photos,
        output=args.out,
        groups=args.groups,
        **_unlabelled(args),
        **_features(args),
    )
    for name, table in tables.items():
        print(f"{counted(len(table), 'row')} in {name}.csv", file=out)


def _tell_skipped(skipped: Iterable[Any]) -> None:
    for file, reason in skipped:
        print(f"skipped {file}: {reason}", file=sys.stderr)


def _unlabelled(args: argparse.Namespace) -> dict[str, Any]:
    return {} if args.unlabelled is None else {"unlabelled": args.unlabelled}


def _features(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "fungi": args.fungi,
        "backbone": args.backbone,
        "weights": None if args.weights == "random" else args.weights,
        "device": args.device,
        "n_jobs": args.jobs,
        "random_state": args.seed,
        "verbose": 0 if args.quiet else 1,
    }


# Parameters of the functions behind a command that are called otherwise here.
_OPTIONS = {
    "backbone": "--backbone NAME",
    "device": "--device NAME",
    "groups": "--groups subfolders",
    "n_jobs": "--jobs N",
    "new": "--new FOLDER",
    "output": "--out PATH",
    "random_state": "--seed N",
    "unlabelled": "--unlabelled NAME",
    "weights": "--weights PATH",
}


def _in_words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    named = [name for name in _OPTIONS if re.search(rf"\b{name}=", text)]
    notes = [f"{name}= is {_OPTIONS[name]} here" for name in named]
    if "None" in text and named:
        notes.append("None is to leave it away")
    notes.append("--debug shows where it comes from")
    return f"{text}\n({'; '.join(notes)})"


@contextlib.contextmanager
def _short_warnings() -> Any:
    """Warnings as one line, without the place in the code."""

    def show(message: Any, *args: Any, **more: Any) -> None:
        print(f"skknn: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
