# The fuzz targets: each NAME_fuzz.cpp here. clang builds them as fuzzers (preset fuzz); every test build has them in
# fuzz_test, which replays the inputs kept in corpus/NAME_fuzz.
file(GLOB podium_fuzz_targets CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_LIST_DIR}" "${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp")
list(TRANSFORM podium_fuzz_targets REPLACE "\\.cpp$" "")
