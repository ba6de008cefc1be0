# Failpoints (base/failpoint.h) are for tests. What is shipped is never compiled
# with them: each library that has some is compiled a second time, quickly (in
# large sources, not optimised), for the binary qstored_failpoints alone. The
# debug builds in large sources (sanitizers, clang-tidy) are shipped by nobody;
# there the libraries themselves have them.
#
#   qstore_failpoint_library(NAME DEPENDS...)    makes NAME_failpoints
function(qstore_failpoint_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  if(CMAKE_UNITY_BUILD AND CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(${name} PRIVATE QSTORE_FAILPOINTS)
    add_library(${name}_failpoints ALIAS ${name})
    return()
  endif()
  get_target_property(sources ${name} SOURCES)
  get_target_property(includes ${name} INTERFACE_INCLUDE_DIRECTORIES)
  qstore_library(${name}_failpoints SOURCES ${sources} DEPENDS ${ARG_DEPENDS})
  target_include_directories(${name}_failpoints PUBLIC ${includes})
  target_compile_definitions(${name}_failpoints PRIVATE QSTORE_FAILPOINTS)
  target_compile_options(${name}_failpoints PRIVATE -O0)
  set_target_properties(${name}_failpoints PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
endfunction()
