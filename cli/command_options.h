// The commands and options of qstore-client, and where CLI11 puts their values.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"

namespace CLI {
class App;
}  // namespace CLI

namespace qstore::cli {

// What CLI11 fills in, before references are parsed.
struct Arguments {
  CommandLine line;
  UploadCommand upload;
  DownloadCommand download;
  std::vector<std::string> tensors;  // of download, as they were typed
  ListCommand list;
  ShowCommand show;
  TagCommand tag;
  BackupCommand backup;
  std::string reference;
};

// `arguments` outlives the parsing.
void AddGlobalOptions(CLI::App* app, Arguments* arguments);
void AddCommands(CLI::App* app, Arguments* arguments);

}  // namespace qstore::cli
