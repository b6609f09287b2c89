<?php
// A client of Symfony's or Laravel's locks, for the trials beside Holdfast.
//
//     lock.php symfony|laravel phpredis|predis PORT
//
// It is told what to do on stdin and answers on stdout, one JSON object a line (order and answer in worker.go), and
// ends with its stdin. It has one lock at a time. Packages are found by include_path, as Debian lays them out.

error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
[, $library, $driver, $port] = $argv;
const HOST = '127.0.0.1';

class Unsupported extends Exception {}

// Symfony's LockFactory on a RedisStore.
class SymfonyLocks
{
    private $lock;
    private $key;
    private $store;

    public function __construct(string $driver, int $port)
    {
        require_once 'Symfony/Component/Lock/autoload.php';
        if ($driver === 'phpredis') {
            $client = new Redis();
            $client->connect(HOST, $port);
        } else {
            require_once 'Predis/autoload.php';
            $client = new Predis\Client(['host' => HOST, 'port' => $port, 'read_write_timeout' => 0]);
        }
        $this->store = new Symfony\Component\Lock\Store\RedisStore($client);
    }

    private function make(string $key, ?int $ttl): void
    {
        $this->key = new Symfony\Component\Lock\Key($key);
        $factory = new Symfony\Component\Lock\LockFactory($this->store);
        $this->lock = $ttl ? $factory->createLockFromKey($this->key, $ttl / 1000) : $factory->createLockFromKey($this->key);
    }

    // acquire(true) waits for ever: with a wait it is tried every 100 ms, as acquire(true) does.
    public function acquire(array $order): bool
    {
        $this->make($order['key'], $order['ttl'] ?? null);
        $end = microtime(true) + ($order['wait'] ?? 0) / 1000;
        while (!$this->lock->acquire()) {
            if (microtime(true) >= $end) {
                return false;
            }
            usleep((100 + random_int(-10, 10)) * 1000);
        }
        return true;
    }

    public function extend(array $order): bool
    {
        $this->lock->refresh($order['ttl'] / 1000);
        return true;
    }

    public function release(array $order): bool
    {
        $this->lock->release();
        return true;
    }

    public function token(array $order): string
    {
        return $this->key->getState(Symfony\Component\Lock\Store\RedisStore::class);
    }

    public function adopt(array $order): bool
    {
        $this->make($order['key'], $order['ttl']);
        $this->key->setState(Symfony\Component\Lock\Store\RedisStore::class, base64_decode($order['token']));
        return true;
    }
}

// Laravel's Cache::lock on its Redis store, with the prefixes that a new application of Laravel 8 has.
class LaravelLocks
{
    private $store;
    private $lock;

    public function __construct(string $driver, int $port)
    {
        require_once 'Illuminate/Cache/autoload.php';
        require_once 'Illuminate/Redis/autoload.php';
        if ($driver === 'predis') {
            require_once 'Predis/autoload.php';
        }
        $manager = new Illuminate\Redis\RedisManager(null, $driver, [
            'options' => ['prefix' => 'laravel_database_'],
            'default' => ['host' => HOST, 'port' => $port, 'database' => 0, 'read_timeout' => 0, 'read_write_timeout' => 0],
        ]);
        $this->store = new Illuminate\Cache\RedisStore($manager, 'laravel_cache', 'default');
    }

    // block() counts whole seconds, and throws when they are over.
    public function acquire(array $order): bool
    {
        $this->lock = $this->store->lock($order['key'], isset($order['ttl']) ? intdiv($order['ttl'] + 999, 1000) : 0);
        if (empty($order['wait'])) {
            return (bool) $this->lock->get();
        }
        return (bool) $this->lock->block(intdiv($order['wait'] + 999, 1000));
    }

    public function extend(array $order): bool
    {
        if (!method_exists($this->lock, 'refresh')) {
            throw new Unsupported('this version can only acquire and release');
        }
        return (bool) $this->lock->refresh(intdiv($order['ttl'] + 999, 1000));
    }

    public function release(array $order): bool
    {
        return (bool) $this->lock->release();
    }

    public function token(array $order): string
    {
        return $this->lock->owner();
    }

    public function adopt(array $order): bool
    {
        $this->lock = $this->store->restoreLock($order['key'], base64_decode($order['token']));
        return true;
    }
}

function say(array $answer): void
{
    fwrite(STDOUT, json_encode($answer)."\n");
}

$locks = $library === 'symfony' ? new SymfonyLocks($driver, (int) $port) : new LaravelLocks($driver, (int) $port);
// Debian's packages do not say their version in a file, so the caller adds it.
say(['version' => 'on PHP '.PHP_VERSION.($driver === 'phpredis' ? ', phpredis '.phpversion('redis') : ', predis '.Predis\Client::VERSION)]);

while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true);
    try {
        $value = $locks->{$order['op']}($order);
        say($order['op'] === 'token' ? ['token' => base64_encode($value)] : ['ok' => $value]);
    } catch (Throwable $e) {
        say(['error' => (new ReflectionClass($e))->getShortName(), 'text' => $e->getMessage()]);
    }
}
