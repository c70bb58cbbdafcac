# Greedy decoding of random prompts in one process; prints one JSON line. Sourced by bench.
require_java
make_spark_home
make_jar
exec "$JAVA" --add-modules=jdk.incubator.vector -cp "$jar:$spark_home/jars/*" \
    "-Dlog4j2.configurationFile=file:$root/conf/spark/log4j2.properties" \
    org.sparkfinetune.jobs.Main bench-generate "$@"
