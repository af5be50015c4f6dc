"""Tables as people write them: the right numbers, or an error that names row and column."""

import bz2
import gzip
import lzma
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from bnpgan import data

POINTS = [[0.5, -1500.25], [2.5, 3.0], [1e-300, 7.125]]


def write(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n0.5,-1500.25\n2.5,3.0\n1e-300,7.125\n",
        "x;y\n0,5;-1500,25\n2,5;3\n1e-300;7,125\n",
        "x\ty\n0.5\t-1500.25\n2.5\t3\n1e-300\t7.125\n",
        "x|y\r\n0.5|-1500.25\r\n2.5|3\r\n1e-300|7.125",
        "x y\n0.5 -1500.25\n2.5 3\n1e-300   7.125\n",
        '"x","y"\n"0.5","-1500.25"\n"2.5","3"\n"1e-300","7.125"\n',
        '"x";"the, y"\n"0,5";"-1500,25"\n"2,5";"3"\n"1e-300";"7,125"\n',
        "x,y,\n0.5,-1500.25,\n2.5,3.0,\n1e-300,7.125,\n",
        "# made by hand\n\n0.5, -1500.25\n2.5, 3.0\n\n1e-300, 7.125\n",
        "0,1\n0.5,-1500.25\n2.5,3.5\n1e-300,7.125\n".replace("3.5", "3.0"),  # as pandas writes an array
    ],
)
def test_all_ways_to_write_a_table_give_the_same_points(tmp_path, text):
    x, labels = data.load(write(tmp_path, text))
    assert x.tolist() == POINTS and x.dtype == torch.float64 and labels is None


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zip"])
def test_compressed_tables_are_read(tmp_path, ending):
    text = b"x,y\n0.5,-1500.25\n2.5,3\n1e-300,7.125\n"
    path = tmp_path / f"t.csv{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("t.csv", text)
    else:
        path.write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[ending].compress(text))
    assert data.load(path)[0].tolist() == POINTS


@pytest.mark.parametrize(
    "digits", ["1700000000.123457", "0.1", "16777217", "9007199254740993", "1e22", "2.2250738585072014e-308"]
)
def test_every_digit_is_kept(tmp_path, digits):
    for text in (f"x,y\n{digits},1\n2,3\n", f"x;y\n{digits.replace('.', ',')};1,5\n2;3\n"):
        assert data.load(write(tmp_path, text))[0][0, 0].item() == float(digits)
    np.save(tmp_path / "x.npy", np.array([[float(digits), 1.0]]))
    assert data.load(tmp_path / "x.npy")[0][0, 0].item() == float(digits)


@pytest.mark.parametrize("index", [",x,y\n", "Unnamed: 0,x,y\n", ",0,1\n"])
def test_an_index_without_a_name_is_left_out_and_named(tmp_path, index):
    path = write(tmp_path, index + "0,0.5,-1500.25\n1,2.5,3.0\n2,1e-300,7.125\n")
    with pytest.warns(UserWarning, match="the first column has no name and is left out, as an index"):
        x, _ = data.load(path)
    assert x.tolist() == POINTS


@pytest.mark.parametrize("header", ["2019,2020", "1,0", "10,20"])
def test_a_first_line_of_numbers_that_may_be_a_header_is_asked_about(tmp_path, header):
    path = write(tmp_path, f"{header}\n0.5,1.5\n2.5,3.5\n")
    with pytest.raises(ValueError, match=f"its first line, {header.replace(',', ', ')}, may be a header or a point"):
        data.load(path)
    assert data.table(path, header=True).tolist() == [[0.5, 1.5], [2.5, 3.5]]
    assert len(data.table(path, header=False)) == 3
    path = write(tmp_path, "0,1\n5,7\n9,8\n")
    with pytest.raises(ValueError, match="header=True or header=False"):
        data.load(path)


@pytest.mark.parametrize("first", ["1,2,3", "1,2,3,4", "0"])
def test_a_first_line_that_counts_columns_is_a_point_with_a_warning(tmp_path, first):
    path = write(tmp_path, f"{first}\n{first.replace('1', '7')}\n")
    with pytest.warns(UserWarning, match=rf"its first line, {first.replace(',', ', ')}, is read as a point.*--header"):
        x, _ = data.load(path)
    assert len(x) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.table(path, header=True)) == 1 and len(data.table(path, header=False)) == 2
        data.load(write(tmp_path, f"{first}\n"))  # nothing follows: it is a point


@pytest.mark.parametrize(
    "text",
    [
        "x,flag\n0.5,True\n2.5,False\n",
        "0.5,True\n2.5,False\n",
        "0.5;TRUE\n2.5;FALSE\n",
        "x;flag\n0,5;true\n2,5;false\n",
        "0,1\n0.5,True\n2.5,False\n",  # as pandas writes an array
    ],
)
def test_truth_values_are_numbers(tmp_path, text):
    path = write(tmp_path, text)
    assert data.load(path)[0].tolist() == [[0.5, 1], [2.5, 0]]
    flags = pd.DataFrame({"a": [True, False], "b": [False, False]})
    for header in (True, False):
        flags.to_csv(path, index=False, header=header)
        assert data.load(path)[0].tolist() == data.table(flags).tolist() == [[1, 0], [0, 0]]
    assert data.load(write(tmp_path, "True,False\n"))[0].tolist() == [[1, 0]]
    assert data.load(write(tmp_path, "False,True\n3,4\n"))[0].tolist() == [[3, 4]]  # titles, as of pandas.crosstab


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NA,NA\n1,2\n3,4\n", "row 1, column 0 is missing ('NA')"),
        ("?,?\n1,2\n3,4\n", "row 1, column 0 is missing"),
        (",\n1,2\n3,4\n", "row 1, column 0 is missing ('')"),
        ("x,y\n1,2\n3,null\n", "row 2, column 'y' is missing ('null')"),
        ("x,y\n1,2\n3,\n4,5\n", "row 2, column 'y' is missing ('')"),
        ("x,name\n1,ann\n3,bob\n", "row 1, column 'name' holds 'ann', no number"),
        ("x,y\n1,2\n3,1 000\n", "row 2, column 'y' holds '1 000'"),
        ("x;y\n1,5;2,5\n3,5;1.000,5\n", "row 2, column 'y' holds '1.000,5'"),
        ("x,y\n1,2\n3,1_0\n", "row 2, column 'y' holds '1_0'"),
        ("x,y\n1,2\n3,inf\n", "row 2, column 'y' is inf: drop or fill"),
        ("x,y\n1,True\n3,2\n", "row 1, column 'y' holds 'True'"),
        ("x,y\n1,True\n3,\n", "row 1, column 'y' holds 'True'"),
        ("x,y\n1,2\n3,4,5\n", "line 3 has 3 cells where the first has 2"),
        ("x,y\n" + "1,2\n" * 200 + "3,4,5\n", "line 202 has 3 cells where the first has 2"),
        ("x,y\n" + "1,2\n" * 200 + "3\n", "line 202 has 1 cells where the first has 2"),
        ("inf,inf\n1,2\n3,4\n", "row 1, column 0 is inf: drop"),
        ("x,y\n1,2\n3,1e999\n", "row 2, column 'y' holds '1e999'"),
    ],
)
def test_what_is_no_number_is_named_by_row_and_column(tmp_path, text, told):
    path = write(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        data.load(path)
    assert str(caught.value).startswith(f"source {path}") and told in str(caught.value)


def test_columns_are_chosen_by_name_or_number(tmp_path):
    path = write(tmp_path, "who,x,y,id\nann,1,2,7\nbob,3,4,8\n")
    for columns in (["x", "y"], [1, 2], ["1", "2"]):
        assert data.table(path, columns=columns).tolist() == [[1, 2], [3, 4]]
    assert data.table(path, columns=["y"]).tolist() == [[2], [4]]
    assert data.table(path, columns=["x", "id"], index="id").tolist() == [[1], [3]]
    with pytest.raises(ValueError, match=r"has no column 'z': choose of who, x, y, id, or numbers below 4"):
        data.table(path, columns=["z"])
    path = write(tmp_path, "7,1.5\n8,2.5\n")
    assert data.table(path, index=0).tolist() == [[1.5], [2.5]]
    path = write(tmp_path, "a,a\n1,2\n")
    with pytest.raises(ValueError, match="names several columns"):
        data.table(path, columns=["a"])


def test_data_frames_are_tables():
    frame = pd.DataFrame({"x": [1.0, 2.0], "n": [3, 4], "who": ["ann", "bob"], "hole": [1.0, np.nan]})
    assert data.table(frame, columns=["x", "n"]).tolist() == [[1, 3], [2, 4]]
    assert data.load(frame[["x", "n"]])[0].tolist() == [[1, 3], [2, 4]]
    for columns, told in (
        (None, "row 1, column 'who' holds 'ann'"),
        (["hole"], "row 2, column 'hole' is missing"),
    ):
        with pytest.raises(ValueError, match=told):
            data.table(frame, columns=columns)
    whole = pd.DataFrame({"x": pd.array([1, None], dtype="Int64")})
    with pytest.raises(ValueError, match="row 2, column 'x' is missing"):
        data.table(whole)
    with pytest.raises(ValueError, match="is empty"):
        data.table(frame[:0], columns=["x"])
    with pytest.raises(ValueError, match="must be a path or a data frame, got list"):
        data.load([[1.0]])
    assert data.table(pd.DataFrame({"x": [True, False]})).tolist() == [[1], [0]]
    assert data.table(pd.Series([1, 2], name="x")).tolist() == [[1], [2]]
