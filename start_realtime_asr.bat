@echo off
rem Start the Thai speech recognition server: make .venv, install what it needs once, run it.
rem Arguments go to the server: start_realtime_asr.bat --help
setlocal EnableExtensions DisableDelayedExpansion
chcp 65001 >nul

rem Paths relative to this folder need no quoting, whatever its name holds.
pushd "%~dp0"
if not exist scripts\prepare_venv.py goto :not_whole
set "PYTHON="
set "FOUND="
for %%P in ("py -3" "python" "python3" "py -3.13" "py -3.12" "py -3.11" "py -3.14") do (
    if not defined PYTHON call :try %%~P
)
if not defined PYTHON goto :no_python
call %PYTHON% scripts\prepare_venv.py .venv requirements_realtime.txt
if not "%ERRORLEVEL%"=="0" goto :failed
call %PYTHON% scripts\find_gpu.py
popd

rem The page opens in the browser by itself, unless told otherwise (--no-open).
if not defined THAI_ASR_OPEN set "THAI_ASR_OPEN=yes"
"%~dp0.venv\Scripts\python.exe" "%~dp0realtime_thai_asr_server.py" %*
set "STATUS=%ERRORLEVEL%"
if "%STATUS%"=="0" exit /b 0
echo The server ended with an error (exit status %STATUS%): see above.
pause
exit /b %STATUS%

:try
rem call: a python that is itself a batch file (pyenv) must come back here
call %* scripts\prepare_venv.py --check >nul 2>nul
if "%ERRORLEVEL%"=="0" set "PYTHON=%*"
if defined PYTHON exit /b 0
rem "Python 3.9.2" and no more is a version; a launcher or a shim of no Python says other things
for /f "tokens=1-3" %%A in ('%* --version 2^>^&1') do (
    if "%%A"=="Python" if "%%C"=="" set "FOUND=%FOUND% %* is Python %%B;"
)
exit /b 0

:not_whole
echo Error: this file must stand in the project's folder. Unpack the whole archive first.
goto :failed

:no_python
echo Error: Python 3.11 to 3.14 (64-bit) is needed, and none was found.
if defined FOUND echo Found:%FOUND%
echo Get it from https://www.python.org/downloads/windows/ and tick "Add python.exe to PATH"
echo while installing. Then start this file again.

:failed
popd
pause
exit /b 1
