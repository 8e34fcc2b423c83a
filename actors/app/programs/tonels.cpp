#include "actors/app/programs/run.hpp"

int main(int argc, char** argv) {
  return tonel::actors::app::run(tonel::actors::role::server, argc, argv);
}
