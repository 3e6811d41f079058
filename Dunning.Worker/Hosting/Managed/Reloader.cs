using Dunning.Hosting.Configuration;

namespace Dunning.Hosting.Managed;

/// <summary>
/// Takes new settings into a running service, as far as that is safe: keys marked as reloadable. Wrong ones change nothing; others that changed wait for a
/// restart, and are named.
/// </summary>
/// <param name="configuration">What the service was started with; the log's levels follow it by themselves.</param>
/// <param name="read">The configuration as it would be read by a start now.</param>
/// <param name="apply">Takes what may be taken.</param>
/// <param name="logger">Tells what was done.</param>
internal sealed class Reloader(IConfiguration configuration, Func<IConfiguration> read, Action<WorkerSettings> apply, ILogger<Reloader> logger)
{
    private readonly Lock _one = new();
    private IReadOnlyList<EffectiveSetting> _held = EffectiveSettings.Of(configuration, all: true);

    /// <summary>Takes what the files and the environment say now. False: they have faults, and nothing has changed.</summary>
    public bool Reload()
    {
        lock (_one)
        {
            IConfiguration now;
            try
            {
                now = read();
            }
            catch (Commands.CommandException e)
            {
                logger.LogError("the settings are not reloaded: {Fault}", e.Message);
                return false;
            }
            var (settings, faults) = WorkerSettings.Read(now);
            if (settings is null)
            {
                foreach (var fault in faults)
                {
                    logger.LogError("the settings are not reloaded: {Fault}", fault);
                }
                return false;
            }
            var changed = Changed(now);
            (configuration as IConfigurationRoot)?.Reload();
            apply(settings);
            var (taken, waiting) = (changed.Where(IsReloadable).ToList(), changed.Where(k => !IsReloadable(k)).ToList());
            logger.LogInformation("settings reloaded: {Taken}", taken.Count == 0 ? "nothing has changed that is taken without a restart" : string.Join(", ", taken));
            if (waiting.Count > 0)
            {
                logger.LogWarning("these settings have changed, and are taken by a restart only: {Waiting}", string.Join(", ", waiting));
            }
            return true;
        }
    }

    // Secrets are compared by whether they are given: their values are not kept here.
    private List<string> Changed(IConfiguration now)
    {
        var (before, after) = (_held.ToDictionary(s => s.Key, s => s.Value, StringComparer.OrdinalIgnoreCase),
            EffectiveSettings.Of(now, all: true).ToDictionary(s => s.Key, s => s.Value, StringComparer.OrdinalIgnoreCase));
        _held = EffectiveSettings.Of(now, all: true);
        return [.. before.Keys.Union(after.Keys, StringComparer.OrdinalIgnoreCase)
            .Where(k => before.GetValueOrDefault(k) != after.GetValueOrDefault(k)).Order(StringComparer.OrdinalIgnoreCase)];
    }

    private static bool IsReloadable(string key) => SettingKeys.Find(key) is { IsReloadable: true };
}
