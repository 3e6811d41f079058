using Dunning.Hosting;
using Xunit;

namespace Dunning.Tests.Hosting;

public class BuildInfoTests
{
    [Fact]
    public void The_tests_are_compiled_for_the_worker_they_test()
    {
#if JOBHOST_HANGFIRE
        Assert.Equal("Hangfire", BuildInfo.JobHost);
#elif JOBHOST_QUARTZ
        Assert.Equal("Quartz", BuildInfo.JobHost);
#else
#error The tests were compiled without a job host: see build/Hosts.targets
#endif
#if MAIL_MAILKIT
        Assert.Equal("MailKit", BuildInfo.MailTransport);
#elif MAIL_SYSTEM
        Assert.Equal("System", BuildInfo.MailTransport);
#else
#error The tests were compiled without a mail transport: see build/Hosts.targets
#endif
    }

    [Fact]
    public void Only_the_chosen_job_host_is_shipped()
    {
        var shipped = new[] { "Hangfire.Core", "Quartz" }.Where(name => File.Exists(Path.Combine(AppContext.BaseDirectory, name + ".dll")));

        Assert.Equal([BuildInfo.JobHost == "Hangfire" ? "Hangfire.Core" : "Quartz"], shipped);
    }
}
