# Java's class data sharing for the Spark that spark-submit puts together: its classes as one small run loads them, read
# and checked already. With them a JVM starts in two thirds of the time. Sourced by spark-submit, with common.sh.

# Sets archive. It holds for one Java and these very jars, hence its name; a JVM for which it does not hold goes without
# it and says nothing. An empty one says that this jar of ours could make none.
make_class_archive() {
    local jar=$root/jobs/target/spark-finetune.jar key
    key=$({ "$JAVA" -Xinternalversion && stat -c '%n %s %Y' "$spark_home"/jars/*; } | cksum)
    archive=$spark_home/classes-${key%% *}.jsa
    if [[ -e $jar && -w $spark_home && ! -s $archive && ! $archive -nt $jar ]]; then
        echo "Keeping Spark's classes for quicker starts (once, half a minute) …" >&2
        record_classes "$jar" || exit
    fi
}

# Fails only if it is interrupted. Two at once are no harm: each has a folder of its own, and the last to end counts.
record_classes() (
    work=$(mktemp -d "$spark_home/classes-XXXXXX") || exit 0
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    made=$work/classes.jsa
    if "$here/spark-submit" --master 'local[1]' --driver-memory 512m \
        --driver-java-options "-XX:DumpLoadedClassList=$work/list" "$1" prepare --dataset sql-create-context \
        --input "file:$root/jobs/sample/rows.jsonl" --output "file:$work/out"; then
        archivable "$work/list" >"$work/classes"
        "$JAVA" -Xshare:dump -XX:SharedClassListFile="$work/classes" -XX:SharedArchiveFile="$made" \
            -cp "$(class_path)" || rm -f "$made"
    fi
    touch "$made" && mv -f "$made" "$archive" || true
) </dev/null >/dev/null 2>&1

# As Spark's launcher orders it, which is as a JVM of Spark has it.
class_path() {
    env -u SPARK_DIST_CLASSPATH -u HADOOP_CONF_DIR -u YARN_CONF_DIR \
        SPARK_HOME="$spark_home" SPARK_SCALA_VERSION="$scala_version" "$JAVA" -cp "$spark_home/jars/*" \
        org.apache.spark.launcher.Main org.apache.spark.deploy.SparkSubmit --version |
        tr '\0' '\n' | sed -n '/^-cp$/{n;p;}'
}

# The classes of list $1, without those that Java 17 cannot find a file for: what it makes itself, and what a jar has for
# newer Javas alone. From an archive it would crash on them once an agent or a flight recording wants to see the file.
archivable() {
    LC_ALL=C grep -aohE 'META-INF/versions/[0-9]+/[A-Za-z0-9_$/-]+\.class' "$spark_home"/jars/*.jar |
        sed -E 's:^META-INF/versions/[0-9]+/(.*)\.class$:\1:' |
        grep -vxFf - "$1" | grep -v SPECIES_RESOLVE
}
