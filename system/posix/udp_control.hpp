#pragma once

#ifdef __APPLE__
#include "system/macos/udp_control.hpp"
#else
#include "system/linux/udp_control.hpp"
#endif
