// qstored: the composition root.

#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/standard_descriptors.h"
#include "base/text/printable.h"
#include "server/daemon.h"
#include "server/health_probe.h"
#include "server/log_format.h"
#include "server/options.h"
#include "server/process/descriptor_limit.h"
#include "server/process/stop_deadline.h"
#include "server/version.h"

// jemalloc reads this when it starts. By itself it gives blocks of 8 MiB and
// more back to the kernel at once, so that each chunk of an upload is faulted
// in anew: a tenth of what storing it costs.
extern "C" {
// NOLINTNEXTLINE(readability-identifier-naming,cppcoreguidelines-*)
extern const char* malloc_conf;
// NOLINTNEXTLINE(readability-identifier-naming,cppcoreguidelines-*)
const char* malloc_conf = "oversize_threshold:0";
}

QSTORE_OPEN_STANDARD_DESCRIPTORS();

namespace {

using qstore::server::Daemon;
using qstore::server::ExitCommand;
using qstore::server::HealthCheckCommand;
using qstore::server::ServeCommand;
using qstore::server::ServerOptions;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "qstored: %s\n",
               qstore::Printable(std::string(status.message())).c_str());
  return 1;
}

// Blocked before any thread starts, so that only sigwait takes them.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// gRPC's own lines are for its developers: what matters to an operator comes
// back to us as a status.
void LogOfGrpc(gpr_log_func_args* arguments) {
  spdlog::debug("gRPC: {}", arguments->message);
}

void WarnIfWritableByAll(const std::string& data_dir) {
  struct stat status = {};
  if (stat(data_dir.c_str(), &status) != 0 || (status.st_mode & S_IWOTH) == 0) {
    return;
  }
  spdlog::warn(
      "every user of this machine may write to {}, and so change or delete "
      "models: chmod o-w it",
      data_dir);
}

// The store has its share of descriptors first.
void FitDescriptors(ServeCommand* command) {
  ServerOptions& options = command->options;
  const uint64_t descriptors = qstore::server::RaiseDescriptorLimit();
  const uint64_t most = qstore::server::MaxConnections(descriptors);
  options.max_open_tables = qstore::server::MaxOpenTables(descriptors);
  if (options.max_connections <= most) return;
  command->notes.push_back(absl::StrCat(
      "of the ", descriptors,
      " descriptors that the process may have (ulimit "
      "-n) the store takes ",
      descriptors - most,
      ": connections are bounded "
      "to ",
      most, ", not to the ", options.max_connections, " of --max-connections"));
  options.max_connections = most;
}

int Serve(ServeCommand command) {
  FitDescriptors(&command);
  const ServerOptions& options = command.options;
  const sigset_t stop_signals = BlockStopSignals();
  signal(SIGPIPE, SIG_IGN);
  // A file that may not grow (RLIMIT_FSIZE) is an error of a write, EFBIG.
  signal(SIGXFSZ, SIG_IGN);
  auto logger = spdlog::stderr_logger_mt("qstored");
  logger->set_formatter(qstore::server::NewLogFormatter(
      options.log_format == "json" ? qstore::server::LogFormat::kJson
                                   : qstore::server::LogFormat::kText));
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  gpr_set_log_function(LogOfGrpc);
  for (const std::string& note : command.notes) spdlog::warn("{}", note);

  // Weights are for this user and its group alone.
  umask(umask(0) | S_IWGRP | S_IRWXO);
  spdlog::info("qstored {} starts: {}", qstore::server::kVersion,
               qstore::server::DescribeOptions(options));
  WarnIfWritableByAll(options.data_dir);
  auto daemon = Daemon::Start(options);
  if (!daemon.ok()) return Fail(daemon.status());
  std::printf("qstored %s serves %s from %s\n", qstore::server::kVersion,
              (*daemon)->address().c_str(),
              qstore::Printable(options.data_dir).c_str());
  std::fflush(stdout);

  int signal_number = 0;
  sigwait(&stop_signals, &signal_number);
  spdlog::info(
      "signal {}: finishing running calls for up to {} s; again to "
      "stop at once",
      signal_number, options.grace_seconds);
  // A second signal kills the process, which loses nothing acknowledged.
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  const std::chrono::seconds grace(options.grace_seconds);
  qstore::server::SetStopDeadline(grace + qstore::server::kStopTimeout);
  (*daemon)->Shutdown(grace);
  daemon->reset();
  qstore::server::ClearStopDeadline();
  spdlog::info("stopped");
  return 0;
}

int ProbeHealth(const std::string& address) {
  gpr_set_log_function([](gpr_log_func_args*) {});
  const absl::Status status = qstore::server::ProbeHealth(address);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace

int main(int argc, char** argv) {
#ifdef NDEBUG
  // Debian builds absl so that it looks for cycles at each lock of a mutex, in
  // one table for all of them: with a hundred thousand open calls that was 40 %
  // of the time. Builds for tests keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  const auto command = qstore::server::ParseCommandLine(argc, argv);
  if (const auto* serve = std::get_if<ServeCommand>(&command)) {
    return Serve(*serve);
  }
  if (const auto* probe = std::get_if<HealthCheckCommand>(&command)) {
    return ProbeHealth(probe->address);
  }
  const auto& exit = std::get<ExitCommand>(command);
  std::fprintf(exit.exit_code == 0 ? stdout : stderr, "%s%s",
               qstore::PrintableLines(exit.text).c_str(),
               exit.text.ends_with('\n') ? "" : "\n");
  return exit.exit_code;
}
