from pathlib import Path

from samewhy_host.release import ends_of, files_of
from samewhy_host.run import Run
from samewhy_host.schemes import Quantize
from samewhy_host.show import Show
from samewhy_host.study import Head, Model, Study
from tests.host import small


def test_the_quantized_file_of_the_study_is_laid_out(tmp_path: Path) -> None:
    study = Study(Head("Why?"), Model(architecture="ds_cnn"), quantize=Quantize("int16x8"))
    run = Run(small.study_file(tmp_path, study), tmp_path, Show())
    assert files_of(run) == ("model.onnx", "float.tflite", "int16x8.tflite")


def test_the_card_says_how_the_ends_are_encoded() -> None:
    gate = {
        "input": {"scale": 1 / 255, "zero_point": -128, "max_error_steps": 0.5},
        "output": {"scale": 0.25, "zero_point": 3},
    }
    assert ends_of("int8", gate) == (
        "| int8 input | scale 0.003921568627, zero point -128 |\n| int8 output | logits, scale 0.25, zero point 3 |"
    )
    assert ends_of("float16", {"sqnr_db": 60.0}) == "| float16 input and output | float32; logits |"
