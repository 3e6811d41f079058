using System.Globalization;
using Dunning.Hosting.Managed;

namespace Dunning.Tests.Hosting.Managed;

public sealed class LogFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-log-").FullName;

    private string LogPath => Path.Combine(_folder, "dunning.log");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Full_files_are_put_aside_between_lines_and_the_oldest_go()
    {
        using (var file = new LogFile(LogPath, size: 100, kept: 2))
        {
            using var writer = file.Writer();
            for (var line = 0; line < 30; line++)
            {
                // In pieces, as a formatter may write them.
                writer.Write("line ");
                writer.Write(line.ToString("00", CultureInfo.InvariantCulture));
                writer.Write(" 0123456789\n");
            }
        }

        Assert.Equal(["dunning.log", "dunning.log.1", "dunning.log.2"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var kept = new[] { LogPath + ".2", LogPath + ".1", LogPath }.SelectMany(File.ReadAllLines).ToList();
        Assert.All(kept, line => Assert.Matches(@"^line \d\d 0123456789$", line));
        Assert.Equal(Enumerable.Range(30 - kept.Count, kept.Count), kept.Select(line => int.Parse(line.AsSpan(5, 2), CultureInfo.InvariantCulture)));
        Assert.All(Directory.GetFiles(_folder), path => Assert.InRange(new FileInfo(path).Length, 1, 120));
    }

    [Fact]
    public void A_new_start_goes_on_and_two_writers_share_a_file()
    {
        using (var file = new LogFile(LogPath))
        {
            file.Writer().Write("first\n");
        }
        using (var file = new LogFile(LogPath))
        {
            using var other = file.Writer();
            file.Writer().Write("second\n");
            other.Write("third\n");
        }

        Assert.Equal(["first", "second", "third"], File.ReadAllLines(LogPath));
    }

    [Fact]
    public void What_can_not_be_put_aside_is_written_on()
    {
        // A folder of that name stands for a file that somebody holds.
        Directory.CreateDirectory(Path.Combine(LogPath + ".1", "held"));
        using (var file = new LogFile(LogPath, size: 20, kept: 1))
        {
            using var writer = file.Writer();
            for (var line = 0; line < 10; line++)
            {
                writer.Write("0123456789\n");
            }
        }

        Assert.Equal(10, File.ReadAllLines(LogPath).Length);
    }
}
