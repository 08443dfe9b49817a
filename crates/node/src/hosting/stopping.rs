//! How a program hears that it is to stop.

/// Resolves when a person or the system asks the process to stop.
pub(crate) async fn told_to_stop() {
    if asked().await.is_err() {
        // Without signals there is nothing to wait for but the end of the process.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return tokio::signal::ctrl_c().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Ctrl-C and Ctrl-Break of a person; the window is closed, the user logs off, the machine is shut down. Of the last three
/// Windows waits some seconds for the process to end.
#[cfg(windows)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    let (mut interrupt, mut broken) = (ctrl_c()?, ctrl_break()?);
    let (mut closed, mut logged_off, mut shut_down) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = broken.recv() => {}
        _ = closed.recv() => {}
        _ = logged_off.recv() => {}
        _ = shut_down.recv() => {}
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
async fn asked() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
