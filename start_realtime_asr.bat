@echo off
rem Start the Thai speech recognition server: make .venv, install what it needs once, run it.
rem Arguments go to the server: start_realtime_asr.bat --help
setlocal EnableExtensions DisableDelayedExpansion
chcp 65001 >nul

rem Paths relative to this folder need no quoting, whatever its name holds.
pushd "%~dp0"
if not exist scripts\prepare_venv.py goto :not_whole
set "PYTHON="
for %%P in ("py -3" "python" "python3" "py -3.13" "py -3.12" "py -3.11" "py -3.14") do (
    if not defined PYTHON call :try %%~P
)
if not defined PYTHON goto :no_python
call %PYTHON% scripts\prepare_venv.py .venv requirements_realtime.txt
if not "%ERRORLEVEL%"=="0" goto :failed
popd

"%~dp0.venv\Scripts\python.exe" "%~dp0realtime_thai_asr_server.py" %*
set "STATUS=%ERRORLEVEL%"
if not "%STATUS%"=="0" pause
exit /b %STATUS%

:try
rem call: a python that is itself a batch file (pyenv) must come back here
call %* scripts\prepare_venv.py --check >nul 2>nul
if "%ERRORLEVEL%"=="0" set "PYTHON=%*"
exit /b 0

:not_whole
echo Error: this file must stand in the project's folder. Unpack the whole archive first.
goto :failed

:no_python
echo Error: Python 3.11 to 3.14 (64-bit) is needed, and none was found.
echo Get it from https://www.python.org/downloads/windows/ and tick "Add python.exe to PATH"
echo while installing. Then start this file again.

:failed
popd
pause
exit /b 1
