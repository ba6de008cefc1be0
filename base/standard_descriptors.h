// Descriptors 0 to 2, which a program may be started without.
#pragma once

namespace qstore {

// Opens /dev/null for each of them that is closed. Else the next file that is
// opened, a table of the store perhaps, gets its number, and what is printed or
// logged is written into that file. Uses nothing that must be initialized.
void OpenStandardDescriptors(int argc, char** argv, char** environment);

}  // namespace qstore

// Once in the main file of a program: it is done before anything else, since
// shared libraries open descriptors while they are loaded.
#define QSTORE_OPEN_STANDARD_DESCRIPTORS()                               \
  __attribute__((                                                        \
      section(".preinit_array"),                                         \
      used)) static void (*const open_standard_descriptors)(int, char**, \
                                                            char**) =    \
      ::qstore::OpenStandardDescriptors
