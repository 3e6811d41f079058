using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Dunning.Hosting.Doctor;

/// <summary>What the DNS has under a name.</summary>
/// <param name="Texts">Its TXT records.</param>
/// <param name="IsName">There is such a name.</param>
internal sealed record DnsTexts(IReadOnlyList<string> Texts, bool IsName);

/// <summary>Asks this machine's name servers for TXT records, which .NET can't.</summary>
internal sealed class DnsClient(IReadOnlyList<IPEndPoint> servers, TimeSpan patience)
{
    private const int TypeText = 16;
    private const int NoSuchName = 3;

    /// <summary>With the name servers that this machine uses.</summary>
    public static DnsClient OfMachine()
    {
        try
        {
            var servers = NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().DnsAddresses).Distinct()
                .Select(a => new IPEndPoint(a, 53)).Take(3).ToList();
            return new DnsClient(servers, TimeSpan.FromSeconds(3));
        }
        catch (Exception e) when (e is NetworkInformationException or PlatformNotSupportedException)
        {
            return new DnsClient([], TimeSpan.Zero);
        }
    }

    /// <summary>The texts of a name, none where it has none; null: no name server answers.</summary>
    public async Task<DnsTexts?> TextsAsync(string name, CancellationToken ct)
    {
        foreach (var server in servers)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(patience);
            try
            {
                var question = Question(name, out var id);
                var answer = await ByUdpAsync(server, question, id, limit.Token);
                // Cut off: DKIM keys are long.
                if (answer.Length > 3 && (answer[2] & 0x02) != 0)
                {
                    answer = await ByTcpAsync(server, question, limit.Token);
                }
                if (Read(answer) is { } found)
                {
                    return found;
                }
            }
            catch (Exception e) when ((e is SocketException or IOException or OperationCanceledException or FormatException or ArgumentException or IndexOutOfRangeException)
                && !ct.IsCancellationRequested)
            {
                // The next one, if there is one.
            }
        }
        return null;
    }

    private static byte[] Question(string name, out ushort id)
    {
        id = (ushort)RandomNumberGenerator.GetInt32(1, 65536);
        var message = new List<byte> { (byte)(id >> 8), (byte)(id & 0xFF), 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0 };
        foreach (var label in new System.Globalization.IdnMapping().GetAscii(name.TrimEnd('.')).Split('.'))
        {
            var bytes = Encoding.ASCII.GetBytes(label);
            if (bytes.Length is 0 or > 63)
            {
                throw new FormatException("no name: " + name);
            }
            message.Add((byte)bytes.Length);
            message.AddRange(bytes);
        }
        message.AddRange([0, 0, TypeText, 0, 1]);
        return [.. message];
    }

    private static async Task<byte[]> ByUdpAsync(IPEndPoint server, byte[] question, ushort id, CancellationToken ct)
    {
        using var client = new UdpClient(server.AddressFamily);
        client.Connect(server);
        await client.SendAsync(question, ct);
        while (true)
        {
            var answer = (await client.ReceiveAsync(ct)).Buffer;
            if (answer.Length >= 12 && BinaryPrimitives.ReadUInt16BigEndian(answer) == id)
            {
                return answer;
            }
        }
    }

    private static async Task<byte[]> ByTcpAsync(IPEndPoint server, byte[] question, CancellationToken ct)
    {
        using var client = new TcpClient(server.AddressFamily);
        await client.ConnectAsync(server, ct);
        var stream = client.GetStream();
        var framed = new byte[question.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)question.Length);
        question.CopyTo(framed, 2);
        await stream.WriteAsync(framed, ct);
        var length = new byte[2];
        await stream.ReadExactlyAsync(length, ct);
        var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
        await stream.ReadExactlyAsync(answer, ct);
        return answer;
    }

    // Null: the server could not tell.
    private static DnsTexts? Read(byte[] message)
    {
        var code = message[3] & 0x0F;
        if (code == NoSuchName)
        {
            return new DnsTexts([], false);
        }
        if (code != 0)
        {
            return null;
        }
        var at = 12;
        for (var i = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(4)); i > 0; i--)
        {
            at = AfterName(message, at) + 4;
        }
        var texts = new List<string>();
        for (var i = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(6)); i > 0; i--)
        {
            at = AfterName(message, at);
            var type = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(at));
            var length = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(at + 8));
            at += 10;
            if (type == TypeText)
            {
                var text = new StringBuilder();
                for (var part = at; part < at + length; part += message[part] + 1)
                {
                    text.Append(Encoding.UTF8.GetString(message, part + 1, message[part]));
                }
                texts.Add(text.ToString());
            }
            at += length;
        }
        return new DnsTexts(texts, true);
    }

    private static int AfterName(byte[] message, int at)
    {
        while (message[at] != 0)
        {
            // A pointer to a name before ends this one.
            if ((message[at] & 0xC0) == 0xC0)
            {
                return at + 2;
            }
            at += message[at] + 1;
        }
        return at + 1;
    }
}
