"""What the system says of the CPU."""

from utils.cpu import describe_cpu


def test_the_model_of_the_cpu_and_its_bfloat16(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Chip 9\nflags\t\t: fpu avx512_bf16\n")
    assert describe_cpu(cpuinfo) == "Chip 9 with bfloat16"
    cpuinfo.write_text("model name\t: Chip 9\nflags\t\t: fpu\n")
    assert describe_cpu(cpuinfo) == "Chip 9"
    assert describe_cpu(tmp_path / "missing")
