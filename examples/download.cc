// Lists the tensors of a stored model and writes its files into a directory.
//
//   download 127.0.0.1:7350 org/model ./model int8
#include <iostream>

#include "client/session.h"
#include "client/sinks/directory_sink.h"
#include "model/dtype.h"

namespace {

class Notes final : public qstore::client::Events {
  void Note(const std::string& sentence) override {
    std::cerr << "note: " << sentence << "\n";
  }
};

absl::Status Run(const std::string& server, const std::string& name,
                 const std::string& directory, const std::string& precision) {
  const auto reference = qstore::ParseModelReference(name);
  if (!reference.ok()) return reference.status();
  qstore::client::Session session({.server = server});
  const auto revision = session.GetRevision(*reference);
  if (!revision.ok()) return revision.status();
  for (const auto& file : revision->files) {
    for (const auto& tensor : file.tensors) {
      std::cout << tensor.name << " " << qstore::DtypeName(tensor.dtype) << " "
                << tensor.element_count() << "\n";
    }
  }
  Notes notes;
  qstore::client::DirectorySink sink(directory);
  return session.Download(*reference, {.precision = precision}, &sink, {&notes})
      .status();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const absl::Status status = Run(argv[1], argv[2], argv[3], argv[4]);
  if (!status.ok()) std::cerr << "error: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
