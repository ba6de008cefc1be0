# What `cmake --install` gives: the two programs, the C library, the C++ library
# with its headers, and what CMake and pkg-config need to find them.
#
#   find_package(QStore COMPONENTS c)        QStore::qstore, libqstore.so and <qstore/qstore.h>
#   find_package(QStore COMPONENTS client)   QStore::client, static, "client/session.h"
#   pkg-config --cflags --libs qstore        as the first
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# The C++ interface: a session, what it takes and gives, and what these include.
# tests/install checks that each stands alone and that none needs gRPC.
set(QSTORE_PUBLIC_HEADERS
  base/bytes.h
  base/error_reason.h
  client/cancellation.h
  client/events.h
  client/listing.h
  client/options.h
  client/results.h
  client/session.h
  client/sinks/directory_sink.h
  client/sinks/memory_sink.h
  client/sinks/null_sink.h
  client/sinks/sink.h
  codec/blob.h
  codec/chunk.h
  codec/encode_options.h
  codec/layer.h
  codec/plain/plain_codec.h
  model/dtype.h
  model/layer_bytes.h
  model/names.h
  model/selection.h)
foreach(header IN LISTS QSTORE_PUBLIC_HEADERS)
  get_filename_component(directory ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${header}
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/qstore/${directory})
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/client/c/qstore.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/qstore)

install(TARGETS qstored qstore-client RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# `#include <qstore/qstore.h>`
target_include_directories(qstore INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS qstore EXPORT QStoreCTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT QStoreCTargets NAMESPACE QStore:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/QStore)

# The client and all that it is linked from.
foreach(part base model codec api_proto admin_proto wire client)
  set_target_properties(qstore_${part} PROPERTIES EXPORT_NAME ${part})
  install(TARGETS qstore_${part} EXPORT QStoreClientTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endforeach()
target_compile_features(qstore_client INTERFACE cxx_std_20)
target_include_directories(qstore_client INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/qstore>)
install(EXPORT QStoreClientTargets NAMESPACE QStore:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/QStore)

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/QStoreConfig.cmake.in ${CMAKE_BINARY_DIR}/cmake/QStoreConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/QStore)
# Before 1.0.0 a minor version may change anything.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/QStoreConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/cmake/QStoreConfig.cmake ${CMAKE_BINARY_DIR}/cmake/QStoreConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/QStore)

# Says where it is by where it lies, since --prefix may move everything.
file(RELATIVE_PATH QSTORE_PC_TO_PREFIX
     /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/qstore.pc.in ${CMAKE_BINARY_DIR}/cmake/qstore.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/cmake/qstore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
