# Java's class data sharing for the Spark that spark-submit puts together: Spark's classes and ours as small runs load
# them, read and checked already. With them a JVM starts in two thirds of the time. Sourced by spark-submit, with
# common.sh.

# Sets archive. It holds for one Java and these very jars, hence its name; a JVM for which it does not hold goes without
# it and says nothing. An empty one says that these jars could make none. Which classes it should have is kept apart: a
# jar that is built anew needs no more than reading.
make_class_archive() {
    local jar=$root/jobs/target/spark-finetune.jar spark ours
    spark=$({ "$JAVA" -Xinternalversion && stat -c '%n %s %Y' "$spark_home"/jars/*; } | cksum)
    ours=$(stat -c '%n %s %Y' "$jar" 2>/dev/null | cksum)
    archive=$spark_home/classes-${spark%% *}-${ours%% *}.jsa
    if [[ -e $jar && -w $spark_home && ! -e $archive ]]; then
        echo "Keeping Spark's classes and ours for quicker starts (once for each build, up to a minute) …" >&2
        keep_classes "$jar" "$spark_home/classes-${spark%% *}.list" || exit
    fi
}

# Fails only if it is interrupted. Two at once are no harm: each has a folder of its own, and the last to end counts.
keep_classes() (
    work=$(mktemp -d "$spark_home/classes-XXXXXX") || exit 0
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    made=$work/classes.jsa
    if [[ -s $2 ]] || record_classes "$1" "$2"; then
        "$JAVA" -Xshare:dump -XX:SharedClassListFile="$2" -XX:SharedArchiveFile="$made" \
            -cp "$(class_path "$1")" || rm -f "$made"
    fi
    # What earlier builds left; a JVM that runs has it open.
    rm -f "$spark_home"/classes-*.jsa
    touch "$made" && mv -f "$made" "$archive" || true
) </dev/null >/dev/null 2>&1

# The classes of prepare and train, of driver and executor.
record_classes() {
    local sample=$root/jobs/sample quick=-XX:TieredStopAtLevel=1
    "$here/spark-submit" --master 'local[1]' --driver-memory 512m \
        --driver-java-options "$quick -XX:DumpLoadedClassList=$work/prepare" "$1" prepare --dataset sql-create-context \
        --input "file:$sample/new-databases.jsonl" --output "file:$work/data" --test_size 10 &&
        "$here/spark-submit" --properties-file "$root/conf/spark/local.conf" --master 'local-cluster[1,1,768]' \
            --driver-java-options "$quick -XX:DumpLoadedClassList=$work/driver" \
            --conf "spark.executor.extraJavaOptions=$quick -XX:DumpLoadedClassList=$work/executor" "$1" train \
            --config "file:$root/conf/train/sample.yaml" --model_id "file:$sample/model" \
            --dataset_path "file:$work/data" --output_dir "file:$work/run" --max_steps 1 --eval_generate_samples 1 &&
        archivable "$work"/{prepare,driver,executor} >"$work/list" && mv -f "$work/list" "$2"
}

# As Spark's launcher orders it, which is as a JVM of Spark has it.
class_path() (
    unset HADOOP_CONF_DIR YARN_CONF_DIR
    export SPARK_HOME=$spark_home SPARK_SCALA_VERSION=$scala_version SPARK_DIST_CLASSPATH=$1
    spark_launcher --version | tr '\0' '\n' | sed -n '/^-cp$/{n;p;}'
)

# The classes of the lists, each once, without those that Java 17 cannot find a file for: what it makes itself, and what
# a jar has for newer Javas alone. From an archive it would crash on them once an agent or a flight recording wants to
# see the file.
archivable() {
    LC_ALL=C grep -aohE 'META-INF/versions/[0-9]+/[A-Za-z0-9_$/-]+\.class' "$spark_home"/jars/*.jar |
        sed -E 's:^META-INF/versions/[0-9]+/(.*)\.class$:\1:' |
        awk 'NR == FNR { newer[$0]; next } !($0 in newer) && !/SPECIES_RESOLVE/ && !seen[$0]++' - "$@"
}
