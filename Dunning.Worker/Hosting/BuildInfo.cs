using System.Reflection;

namespace Dunning.Hosting;

/// <summary>What this build is: its version, and the job host and mail transport chosen when it was built (build/Hosts.targets).</summary>
public static class BuildInfo
{
#if JOBHOST_HANGFIRE
    public const string JobHost = "Hangfire";
#elif JOBHOST_QUARTZ
    public const string JobHost = "Quartz";
#else
#error No job host was chosen: see build/Hosts.targets
#endif

#if MAIL_MAILKIT
    public const string MailTransport = "MailKit";
#elif MAIL_SYSTEM
    public const string MailTransport = "System";
#else
#error No mail transport was chosen: see build/Hosts.targets
#endif

    /// <summary>The package version, and after a plus sign the commit where it was known.</summary>
    public static string Version { get; } =
        typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    public static string Description => $"dunning {Version} (job host {JobHost}, mail transport {MailTransport}, gateways sandbox, stripe and gocardless)";
}
