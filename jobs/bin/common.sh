# What the commands beside this file share. Sourced, with $here (jobs/bin) and $root set.

fail() {
    printf '%s\n' "$@" >&2
    exit 2
}

java_major() {
    "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1
}

# Sets JAVA to JAVA_HOME's or the PATH's, at least 17.
require_java() {
    JAVA=java
    [[ -n ${JAVA_HOME:-} ]] && JAVA=$JAVA_HOME/bin/java
    if ! command -v "$JAVA" >/dev/null 2>&1; then
        fail "No Java here: '$JAVA' is not found." \
            "Install a JDK 17 (Debian and Ubuntu: apt-get install openjdk-17-jdk-headless) or let JAVA_HOME name one."
    fi
    local major
    major=$(java_major "$JAVA")
    if ((${major:-0} < 17)); then
        fail "Java ${major:-of an unknown version} is too old: $(command -v "$JAVA"). At least 17 is needed." \
            "Let JAVA_HOME name a JDK 17, or put one first on the PATH."
    fi
}

# To build it takes a compiler too, and Maven.
require_build_tools() {
    require_java
    if ! command -v "${JAVA%java}javac" >/dev/null 2>&1; then
        fail "This Java has no compiler (javac): $(command -v "$JAVA")." \
            "Install a JDK 17, not only a JRE (Debian and Ubuntu: apt-get install openjdk-17-jdk-headless)."
    fi
    if ! command -v mvn >/dev/null 2>&1; then
        fail "No Maven here: 'mvn' is not found." \
            "Install Maven 3.8 or newer (Debian and Ubuntu: apt-get install maven)."
    fi
    local version
    version=$(mvn -v 2>/dev/null | sed -n 's/.*Apache Maven \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    if [[ $(printf '%s\n3.8\n' "$version" | sort -V | head -n 1) != 3.8 ]]; then
        fail "Maven ${version:-of an unknown version} is too old: $(command -v mvn). At least 3.8 is needed."
    fi
}

# The user's spark-submit, if there is one that is not ours; prints nothing otherwise.
find_spark_submit() {
    [[ -n ${SPARK_FINETUNE_SPARK:-} ]] && return
    if [[ -n ${SPARK_HOME:-} ]]; then
        [[ -x $SPARK_HOME/bin/spark-submit ]] ||
            fail "SPARK_HOME is $SPARK_HOME, but there is no bin/spark-submit in it. Correct it or unset it."
        printf '%s\n' "$SPARK_HOME/bin/spark-submit"
        return
    fi
    local candidate
    while IFS= read -r candidate; do
        if [[ $(readlink -f "$candidate") != "$(readlink -f "$here/spark-submit")" ]]; then
            printf '%s\n' "$candidate"
            return
        fi
    done < <(type -ap spark-submit)
}

# Sets spark_home and scala_version; copies the jars unless that was done before.
make_spark_home() {
    local profile=()
    case ${SPARK_FINETUNE_SPARK:-bundled} in
        bundled) ;;
        spark-4) profile=(-Pspark-4) ;;
        *) fail "SPARK_FINETUNE_SPARK is $SPARK_FINETUNE_SPARK; allowed are bundled and spark-4." ;;
    esac
    # The pom's own properties come first in it, those of the profile last.
    local pick=(head -n 1)
    ((${#profile[@]})) && pick=(tail -n 1)
    local version
    version=$(sed -n 's:.*<spark.version>\(.*\)</spark.version>.*:\1:p' "$root/pom.xml" | "${pick[@]}")
    scala_version=$(sed -n 's:.*<scala.binary.version>\(.*\)</scala.binary.version>.*:\1:p' "$root/pom.xml" |
        "${pick[@]}")
    spark_home=$root/jobs/target/spark-$version
    if [[ ! -e $spark_home/complete ]]; then
        require_build_tools
        echo "Putting Spark $version together from Maven's jars (once) …" >&2
        rm -rf "$spark_home"
        mkdir -p "$spark_home"
        mvn -q -B "${profile[@]}" -f "$root/jobs/spark-home/pom.xml" dependency:copy-dependencies \
            -DincludeScope=runtime -DexcludeGroupIds=org.jspecify -DoutputDirectory="$spark_home/jars" >&2 ||
            fail "Maven could not fetch Spark $version; its messages are above."
        touch "$spark_home/complete"
    fi
}

# Sets archive: Spark's classes as one small run loads them, read and checked already (Java's class data sharing). With it
# a JVM starts in two thirds of the time. The archive holds for one Java and these very jars, hence its name; a JVM for
# which it does not hold goes without it and says nothing. An empty one says that this jar of ours could make none.
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
        versioned_classes "$spark_home"/jars/*.jar >"$work/versioned"
        grep -vxFf "$work/versioned" "$work/list" | grep -v SPECIES_RESOLVE >"$work/classes"
        "$JAVA" -Xshare:dump -XX:SharedClassListFile="$work/classes" -XX:SharedArchiveFile="$made" \
            -cp "$spark_home/jars/*" || rm -f "$made"
    fi
    touch "$made" && mv -f "$made" "$archive" || true
) </dev/null >/dev/null 2>&1

# The classes that have versions of their own for newer Javas. Java 17 looks for them in the wrong place of their jar and
# crashes if an agent or a flight recording wants to see the bytes of one that came from an archive.
versioned_classes() {
    LC_ALL=C grep -aohE 'META-INF/versions/[0-9]+/[A-Za-z0-9_$/-]+\.class' "$@" |
        sed -E 's:^META-INF/versions/[0-9]+/(.*)\.class$:\1:' | sort -u
}

# Builds jobs/target/spark-finetune.jar if it is missing or older than a source.
make_jar() {
    jar=$root/jobs/target/spark-finetune.jar
    local sources=("$root"/pom.xml "$root"/{pipeline,jobs}/{pom.xml,src/main})
    if [[ ! -e $jar || -n $(find "${sources[@]}" -type f -newer "$jar" -print -quit) ]]; then
        require_build_tools
        echo "Building jobs/target/spark-finetune.jar …" >&2
        (cd "$root" && mvn -q -B -DskipTests -Dcyclonedx.skip -pl jobs -am package >&2) ||
            fail "The build failed; Maven's messages are above."
    fi
}
