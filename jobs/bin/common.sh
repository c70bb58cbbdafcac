# What the commands beside this file share. Sourced, with $here (jobs/bin) and $root set.

fail() {
    printf '%s\n' "$@" >&2
    exit 2
}

# By a flag with which HotSpot starts nothing, or else by the one that every Java has.
java_major() {
    local said
    said=$("$1" -Xinternalversion 2>&1)
    if [[ $said =~ \ JRE\ \(([0-9]+) ]] || [[ $("$1" -version 2>&1) =~ \ version\ \"([0-9]+) ]]; then
        printf '%s\n' "${BASH_REMATCH[1]}"
    fi
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
    # Earlier versions had a folder here, beside which Java takes no archive of classes.
    rm -rf "$spark_home/conf"
}

# Spark's launcher, which says how SparkSubmit is started. It lives for a tenth of a second, and all of it is in one jar.
spark_launcher() {
    local own=("$spark_home"/jars/spark-launcher_*.jar)
    "$JAVA" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "${own[0]}:$spark_home/jars/*" \
        org.apache.spark.launcher.Main org.apache.spark.deploy.SparkSubmit "$@"
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
