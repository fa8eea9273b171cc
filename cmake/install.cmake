# What `cmake --install` puts down: the daemon and its helpers, the libraries, the headers, and the CMake package
# `podium` with one target a floor (podium::core, podium::messages, ... podium::engine).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(podium_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/podium")
set(podium_floors)
foreach(floor core messages config actors runtime api engine)
  list(APPEND podium_floors podium_${floor})
  set_target_properties(podium_${floor} PROPERTIES EXPORT_NAME ${floor})
endforeach()
set_target_properties(podium_options PROPERTIES EXPORT_NAME options)

install(TARGETS podium_options ${podium_floors} EXPORT podium_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET podium)
  install(TARGETS podium RUNTIME)
endif()
foreach(floor core messages config actors runtime api podium)
  install(DIRECTORY ${floor} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/podium" FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inc")
endforeach()
install(EXPORT podium_targets FILE podiumTargets.cmake NAMESPACE podium:: DESTINATION "${podium_package_dir}")
configure_package_config_file(cmake/podiumConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/podiumConfig.cmake"
  INSTALL_DESTINATION "${podium_package_dir}" PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/podiumConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/podiumConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/podiumConfigVersion.cmake"
  cmake/FindCAF.cmake cmake/FindWslay.cmake DESTINATION "${podium_package_dir}")
