// Which modules an engine must not take for quantized.
//
// compressed-tensors targets a class ("Linear") and lists exceptions. What an
// engine builds is not what the file holds: heads share the embedding's tensor
// and are not stored, a file saved with a head is loaded without one or the
// other way round, and modules are renamed while they are loaded. A module that
// is taken for INT8 and has no codes computes garbage without a word. So the
// exceptions are given as expressions that also hold for what is not stored.
#pragma once

#include <string>
#include <vector>

#include "client/export/export_format.h"

namespace qstore::client {

// The list for "ignore": names, and expressions behind "re:" (Python's, matched
// from the start). None of them fits a module that is quantized.
//  - every matrix that was not quantized, by its name;
//  - the same by the end of its name, whatever stands before it and whichever
//    layer it is in;
//  - where experts are one tensor of three dimensions, all that is below them;
//  - routers under any of their names, where there are experts;
//  - every module outside of the numbered layers that is not quantized.
std::vector<std::string> IgnoredModules(
    const std::vector<const ExportTensor*>& tensors);

}  // namespace qstore::client
