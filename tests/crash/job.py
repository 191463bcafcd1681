"""The job whose crashes are tried: windows over files, one an epoch, a checkpoint behind each."""

import os
import shutil
import subprocess

FILES, ROWS = 12, 40
QUERY = """SET firesteel.checkpoint.interval = '1ms';
CREATE TABLE readings (ts TIMESTAMP, key INT, value DOUBLE) USING json OPTIONS (path '{input}', maxFilesPerTrigger '1');
CREATE TABLE results USING json OPTIONS (path '{output}');
INSERT INTO results SELECT window.start AS at, key, count(*) AS n, sum(value) AS total
FROM readings WATERMARK ts DELAY OF INTERVAL 3 SECONDS GROUP BY window(ts, '5 seconds'), key;
"""


def write_input(folder):
    folder.mkdir()
    number = 7
    for file in range(FILES):
        lines = []
        for row in range(ROWS):
            number = (number * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
            second = (file * ROWS + row) // 10
            ts = f"2025-01-01 00:{second // 60:02}:{second % 60:02}"
            lines.append(f'{{"ts":"{ts}","key":{number >> 60},"value":{(number >> 33) % 1_000_000 / 7}}}\n')
        path = folder / f"{file:03}.json"
        path.write_text("".join(lines))
        os.utime(path, (1_735_689_600 + file,) * 2)


class Run:
    """The job in `folder`, where its input is; what it writes lies in `disk`."""

    def __init__(self, binary, folder, name, disk=None):
        disk = disk or folder
        self.binary, self.output, self.checkpoint = binary, disk / f"{name}-out", disk / f"{name}-checkpoint"
        self.job = folder / f"{name}.sql"
        self.job.write_text(QUERY.format(input=folder / "in", output=self.output))

    def begin(self, before=(), checkpoint=True):
        words = [*before, self.binary, "run", str(self.job), "--stream"]
        words += ["--checkpoint", str(self.checkpoint)] if checkpoint else []
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def start(self, before=(), checkpoint=True):
        with self.begin(before, checkpoint) as process:
            try:
                out, words = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, words)

    def results(self):
        if not self.output.is_dir():
            return {}
        return {path.name: path.read_bytes() for path in self.output.iterdir() if not path.name.startswith(".")}

    def remove(self):
        shutil.rmtree(self.output, ignore_errors=True)
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        self.job.unlink()
