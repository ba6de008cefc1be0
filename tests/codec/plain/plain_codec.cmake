# The plain codec's tests; included by tests/CMakeLists.txt.
qstore_test(plain_codec_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/plain_codec_test.cc
  DEPENDS qstore_codec)

qstore_fuzz_target(plain_codec_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz/plain_codec_fuzz.cc
  DEPENDS qstore_codec
  CORPUS ${CMAKE_CURRENT_LIST_DIR}/fuzz/corpus_plain)
