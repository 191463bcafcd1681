#!/usr/bin/env python3
"""Ask Apache Spark (pyspark 4.3.0, Java 17) for the answers to single expressions.

  answers.py FILE...       rewrites answers/*.txt: every line keeps what stands before `=>` and gets Spark's answer

A new line needs the expression only. `SET name=value` lines change the session for the rest of their file.
"""
import json, os, sys, tempfile, time

os.environ["TZ"] = "UTC"
time.tzset()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from golden import SPARK_ERRORS, Broken, render, spark_session  # noqa: E402

DEFAULTS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}


def ask(spark, expression):
    """`type : value  ::  column name`, or the class of the error."""
    try:
        frame = spark.sql("SELECT " + expression)
        field = frame.schema.fields[0]
        value = json.dumps(render(frame.collect()[0][0], field.dataType), ensure_ascii=False)
    except Broken:
        return "ERROR cast it to a string"
    except SPARK_ERRORS as error:
        condition = error.getCondition() if hasattr(error, "getCondition") else None
        return "ERROR %s" % condition
    name = field.name.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return "%s : %s  ::  %s" % (field.dataType.simpleString(), value, name)


def rewrite(spark, path):
    for name, value in DEFAULTS.items():
        spark.conf.set(name, value)
    lines = []
    for line in open(path, encoding="utf-8"):
        expression = line.rstrip("\n").split("  =>  ")[0]
        if expression.startswith("SET "):
            spark.conf.set(*expression[4:].split("="))
            lines.append(expression + "  =>  ok")
        elif expression:
            lines.append(expression + "  =>  " + ask(spark, expression))
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as tmp:
        spark = spark_session(tmp)
        for path in sys.argv[1:]:
            rewrite(spark, path)
