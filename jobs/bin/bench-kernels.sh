# bench kernels. Sourced by bench.

usage() {
    cat <<TXT
Usage: jobs/bin/bench kernels [NAME…] [options of JMH]

Measures single kernels with JMH: NF4 and conversions in billions of weights a second, the exchange in GB a second.
  NAME   a regular expression over the benchmarks' names (default: all)
Options are JMH's own: -rf json -rff FILE writes results as JSON, -h lists the rest.
TXT
}

[[ ${1:-} == --help ]] && { usage; exit 0; }
make_work
require_build_tools
mvn -q -B -f "$root/pom.xml" -pl pipeline test-compile dependency:build-classpath \
    -Dmdep.includeScope=test -Dmdep.outputFile="$work/classpath" >&2 || fail "The build failed; Maven's messages are above."
"$JAVA" --add-modules jdk.incubator.vector -XX:+IgnoreUnrecognizedVMOptions \
    -cp "$root/pipeline/target/test-classes:$root/pipeline/target/classes:$(cat "$work/classpath")" org.openjdk.jmh.Main "$@"
