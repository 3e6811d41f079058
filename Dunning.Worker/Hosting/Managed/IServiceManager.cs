namespace Dunning.Hosting.Managed;

/// <summary>Who started the service and wants to know how it fares: systemd, Windows, or nobody.</summary>
internal interface IServiceManager
{
    /// <summary>It is asked to take new settings.</summary>
    event Action? ReloadAsked;

    /// <summary>It is still starting.</summary>
    void Starting(string status);

    /// <summary>It works.</summary>
    void Ready(string status);

    /// <summary>It takes new settings; <see cref="Ready"/> follows.</summary>
    void Reloading();

    /// <summary>It has begun to stop.</summary>
    void Stopping();

    /// <summary>Tells again and again that the service is alive, as long as <paramref name="isAlive"/> says so, until <paramref name="ct"/> is cancelled.</summary>
    Task WatchAsync(Func<CancellationToken, Task<bool>> isAlive, CancellationToken ct);
}
