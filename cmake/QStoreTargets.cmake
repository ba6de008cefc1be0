# Compiler settings, dependencies and the three kinds of target this project has:
#   qstore_library(NAME SOURCES... DEPENDS...)   one library per layer
#   qstore_test(NAME SOURCES... DEPENDS... [OPTIMIZED])
#                                                one GoogleTest binary, one ctest entry;
#                                                OPTIMIZED: its own loops are long
#   qstore_fuzz_target(NAME SOURCES... DEPENDS... CORPUS DIR)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(QSTORE_CCACHE ccache)
if(QSTORE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${QSTORE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${QSTORE_CCACHE})
endif()

# gRPC looks for RE2, which it uses itself, with pkg-config; on Debian 13 that walks
# through all of Abseil's packages, and takes 20 seconds. We need the library's name.
function(qstore_find_re2)
  find_library(QSTORE_RE2 re2)
  if(QSTORE_RE2 AND NOT TARGET re2::re2)
    add_library(re2::re2 UNKNOWN IMPORTED GLOBAL)
    set_target_properties(re2::re2 PROPERTIES IMPORTED_LOCATION ${QSTORE_RE2})
    set(re2_FOUND TRUE PARENT_SCOPE)
  endif()
endfunction()

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(JSONCPP REQUIRED IMPORTED_TARGET jsoncpp)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
find_package(RocksDB REQUIRED)
if(QSTORE_BUILD_RPC)
  qstore_find_re2()
  find_package(gRPC REQUIRED)
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
endif()
if(QSTORE_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()

# What every target of ours is compiled with. -ffp-contract=off: the codec's
# interval ends must be the same bits on every target (docs/format.md).
# -Wno-restrict: gcc 12 warns of `"text" + std::string` under -O3 (its bug
# 105651). -Wno-dangling-reference: gcc 14 takes a reference that a function
# returns for one to the temporary that it was given.
add_library(qstore_flags INTERFACE)
target_compile_options(qstore_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-dangling-reference>" -ffp-contract=off -fno-omit-frame-pointer)
target_include_directories(qstore_flags INTERFACE ${PROJECT_SOURCE_DIR})
# gcc built the libraries. Debian 13's does not write the type of a template
# argument into a symbol yet, and clang does since 18: absl::Cord(std::string&&)
# would not be found.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 18)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fclang-abi-compat=17>)
endif()
if(QSTORE_SANITIZE)
  add_compile_options(-fsanitize=${QSTORE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${QSTORE_SANITIZE})
endif()
if(QSTORE_FUZZ)
  # libFuzzer is guided by the coverage of what it fuzzes, not only of itself.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(qstore_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  # What is installed (QStoreInstall.cmake) has neither our flags nor this tree.
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE $<BUILD_INTERFACE:qstore_flags>)
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
endfunction()

# A target that hands bytes on and computes little: under a sanitizer, optimising
# it takes longer than is gained when it runs.
function(qstore_glue name)
  if(QSTORE_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)
  endif()
endfunction()

function(qstore_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} qstore_flags)
endfunction()

function(qstore_test name)
  cmake_parse_arguments(ARG "OPTIMIZED" "" "SOURCES;DEPENDS" ${ARGN})
  qstore_executable(${name} SOURCES ${ARG_SOURCES} DEPENDS ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES QSTORE_FAILPOINTS ON)
  if(QSTORE_FAST_TESTS)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON)
    target_compile_options(${name} PRIVATE $<IF:$<BOOL:${ARG_OPTIMIZED}>,-O1,-O0>)
  elseif(QSTORE_SANITIZE AND NOT ARG_OPTIMIZED)
    # What is tested keeps its optimisation; instrumented tests take half of the
    # sanitizer build, and a third of that is optimising them.
    target_compile_options(${name} PRIVATE -O0)
  endif()
  if(QSTORE_SANITIZE STREQUAL "thread")
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/tsan_absl_mutex.cc)
  endif()
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# Under the fuzz preset a target is a libFuzzer binary; elsewhere it is the same
# function run once over every file of its corpus, as an ordinary test.
function(qstore_fuzz_target name)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;DEPENDS" ${ARGN})
  if(QSTORE_FUZZ)
    qstore_executable(${name} SOURCES ${ARG_SOURCES} DEPENDS ${ARG_DEPENDS})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    qstore_executable(${name} SOURCES ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz_corpus_main.cc
                      DEPENDS ${ARG_DEPENDS})
    add_test(NAME ${name} COMMAND ${name} ${ARG_CORPUS})
  endif()
  if(NOT TARGET fuzz_targets)
    add_custom_target(fuzz_targets)
  endif()
  add_dependencies(fuzz_targets ${name})
endfunction()
